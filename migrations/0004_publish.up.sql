-- walcast.publish(topic, payload): sends a message to everyone subscribed to `topic`, in commit order with everything
-- else, and not at all if the transaction rolls back. It writes no row. Returns where the message is in the WAL.
--
-- Wire form: a transactional logical message with the prefix `walcast` and this text, always in this order of keys:
--      {"topic":<JSON string>,"payload":<any JSON>}
-- A null payload is JSON's null. A topic has 1 to 255 bytes; a payload may have any length that PostgreSQL takes.
--
-- Who may call: the role walcast_relay and the owner of Arvados' tables. PostgreSQL lets everyone who can connect emit
-- logical messages, so this is an order of things, not a wall.
create function walcast.publish(topic text, payload jsonb) returns pg_lsn
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if topic is null or topic = '' then
        raise exception 'walcast.publish: the topic is empty' using errcode = 'invalid_parameter_value';
    end if;
    if octet_length(topic) > 255 then
        raise exception 'walcast.publish: the topic has % bytes, more than 255', octet_length(topic)
            using errcode = 'invalid_parameter_value';
    end if;
    return pg_logical_emit_message(true, 'walcast', '{"topic":' || to_json(topic)::text || ',"payload":'
                                                    || coalesce(payload, 'null'::jsonb)::text || '}');
end
$$;

revoke all on function walcast.publish(text, jsonb) from public;

do $$
declare
    arvados name := (select pg_get_userbyid(relowner) from pg_catalog.pg_class where oid = to_regclass('public.logs'));
begin
    execute format('grant usage on schema walcast to %I', arvados);
    execute format('grant execute on function walcast.publish(text, jsonb) to %I', arvados);
end
$$;
