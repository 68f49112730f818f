drop table walcast.created_roles;
drop table walcast.grants;
drop table walcast.replica_identities;
drop table walcast.tables;
