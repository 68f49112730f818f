-- The grants on Arvados' tables are gone already (uncover_step); these are the ones on our own schema. The role goes
-- only if this database made it and nobody has a use for it: no other database, no member, no login.

do $$
declare
    relay oid := to_regrole('walcast_relay');
begin
    if relay is null then
        return;
    end if;
    revoke all on schema walcast from walcast_relay;
    revoke all on all tables in schema walcast from walcast_relay;
    if not exists (select from walcast.created_roles where name = 'walcast_relay') then
        return;
    end if;
    -- From PostgreSQL 16 on, whoever creates a role is its member with the admin option: that is no use of it.
    if (select rolcanlogin from pg_catalog.pg_roles where oid = relay)
        or exists (select from pg_catalog.pg_auth_members m
                   where m.member = relay or m.roleid = relay and m.member <> current_user::regrole)
    then
        raise notice 'role walcast_relay is in use as a login or has members: it stays; drop it by hand';
        return;
    end if;
    drop role walcast_relay;
exception
    when dependent_objects_still_exist then
        raise notice 'role walcast_relay is needed in another database: it stays';
    when insufficient_privilege then
        raise notice 'role % may not drop the role walcast_relay: it stays; drop it as a superuser', current_user;
end
$$;
