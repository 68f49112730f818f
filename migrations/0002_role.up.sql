-- The role walcast_relay: what the relay may do, and no more. It cannot log in. Either make a login role a member of
-- it, or give it a password: alter role walcast_relay login password '…'. REPLICATION is not inherited by members: the
-- role that logs in needs it itself to use the slot.
--
-- Roles belong to the cluster, not to the database. Another database of the same cluster may have made the role, may
-- make it at this moment, and may still need it when this one is done with it. Nothing else depends on the role here:
-- without the right to create it everything goes on, and `migrate up` grants once it exists.

do $$
begin
    if to_regrole('walcast_relay') is null then
        begin
            create role walcast_relay nologin replication;
            insert into walcast.created_roles values ('walcast_relay');
        exception
            when duplicate_object or unique_violation then
                null; -- made for another database while we looked
            when insufficient_privilege then
                begin
                    create role walcast_relay nologin;
                    insert into walcast.created_roles values ('walcast_relay');
                exception
                    when duplicate_object or unique_violation then
                        null;
                    when insufficient_privilege then
                        raise notice 'role % may not create roles: as a superuser run "create role walcast_relay nologin replication", then migrate up again', current_user;
                        return;
                end;
        end;
    end if;
    if not (select rolreplication from pg_catalog.pg_roles where rolname = 'walcast_relay') then
        raise notice 'role walcast_relay has no REPLICATION, which the slot needs: as a superuser run "alter role walcast_relay replication"';
    end if;
end
$$;
