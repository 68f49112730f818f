-- May a user read an object? Arvados' rules as SQL over its tables, at a given time: what arvados-ws asks the API for each
-- event. Nothing here is shared with the relay, which has to give the same answers.

create schema oracle;

-- Does the user, or a user it manages, reach the target at this level? p_owned: and what the target owns.
create function oracle.reaches(p_user text, p_target text, p_level integer, p_owned boolean) returns boolean
language plpgsql stable as $$
begin
    return exists (
        select from materialized_permissions as me
        join materialized_permissions as has on has.user_uuid = me.target_uuid
        where me.user_uuid = p_user and me.traverse_owned and me.perm_level >= p_level
          and substr(me.target_uuid, 7, 5) = 'tpzed'
          and has.target_uuid = p_target and has.perm_level >= p_level and (has.traverse_owned or not p_owned));
end $$;

-- The usual grant: on the owner with what it owns, or on the object itself.
create function oracle.granted(p_user text, p_object text, p_owner text) returns boolean
language plpgsql stable as $$
begin
    return oracle.reaches(p_user, p_owner, 1, true) or oracle.reaches(p_user, p_object, 1, false);
end $$;

create function oracle.past(p_time timestamp, p_now timestamp) returns boolean
language sql immutable as $$ select coalesce(p_time <= p_now, false) $$;

create function oracle.trashed(p_owner text, p_now timestamp) returns boolean
language plpgsql stable as $$
begin
    return exists (select from trashed_groups where group_uuid = p_owner and trash_at <= p_now);
end $$;

create function oracle.frozen(p_owner text) returns boolean
language plpgsql stable as $$
begin
    return exists (select from frozen_groups where uuid = p_owner);
end $$;

create function oracle.owner(p_object text) returns text
language plpgsql stable as $$
begin
    return case substr(p_object, 7, 5)
        when '4zz18' then (select owner_uuid from collections where uuid = p_object)
        when 'j7d0g' then (select owner_uuid from groups where uuid = p_object)
        when 'tpzed' then (select owner_uuid from users where uuid = p_object)
        when 'xvhdp' then (select owner_uuid from container_requests where uuid = p_object)
        when 'dz642' then (select owner_uuid from containers where uuid = p_object)
        when '7fd4e' then (select owner_uuid from workflows where uuid = p_object)
        when 'o0j2j' then (select owner_uuid from links where uuid = p_object)
        when '2x53u' then (select owner_uuid from virtual_machines where uuid = p_object)
        when 'oss07' then (select owner_uuid from credentials where uuid = p_object)
        when 'fngyi' then (select owner_uuid from authorized_keys where uuid = p_object)
    end;
end $$;

create function oracle.can_manage(p_user text, p_object text) returns boolean
language plpgsql stable as $$
begin
    return coalesce(p_object = p_user, false) or oracle.reaches(p_user, p_object, 3, false)
        or oracle.reaches(p_user, oracle.owner(p_object), 3, true);
end $$;

-- With include_trash: the trash is no obstacle, except in a frozen project.
create function oracle.collection(p_user text, p_object text, p_now timestamp) returns boolean
language plpgsql stable as $$
begin
    return exists (
        select from collections as c
        where c.uuid = p_object and oracle.granted(p_user, c.uuid, c.owner_uuid)
          and not ((oracle.trashed(c.owner_uuid, p_now) or oracle.past(c.trash_at, p_now)) and oracle.frozen(c.owner_uuid)));
end $$;

-- For a user who is no administrator. Null for what is no uuid of a class that we know, and then nobody may.
create function oracle.readable(p_user text, p_object text, p_active boolean, p_now timestamp) returns boolean
language plpgsql stable as $$
begin
    if p_object ~ '^[0-9a-f]{32}\+[0-9]+$' then
        return exists (
            select from collections as c
            where c.portable_data_hash = p_object and oracle.collection(p_user, c.uuid, p_now));
    end if;
    case substr(p_object, 7, 5)
    when '4zz18' then return oracle.collection(p_user, p_object, p_now);
    when 'j7d0g' then return exists (
        select from groups as g
        where g.uuid = p_object
          and (oracle.reaches(p_user, g.uuid, 1, false) or (p_active and g.group_class = 'role'))
          and not ((oracle.trashed(g.owner_uuid, p_now) or oracle.past(g.trash_at, p_now)) and oracle.frozen(g.owner_uuid)));
    when 'xvhdp' then return exists (
        select from container_requests as r
        where r.uuid = p_object and oracle.granted(p_user, r.uuid, r.owner_uuid)
          and not (oracle.trashed(r.owner_uuid, p_now) and oracle.frozen(r.owner_uuid)));
    when 'dz642' then return exists (
        select from container_requests as r
        where r.container_uuid = p_object and oracle.granted(p_user, r.uuid, r.owner_uuid)
          and not oracle.trashed(r.owner_uuid, p_now));
    when '7fd4e' then return exists (
        select from workflows as w
        left join collections as c on c.uuid = w.collection_uuid
        where w.uuid = p_object
          and case when w.collection_uuid is null
                   then oracle.granted(p_user, w.uuid, w.owner_uuid) and not oracle.trashed(w.owner_uuid, p_now)
                   else oracle.granted(p_user, c.uuid, c.owner_uuid) and not oracle.trashed(c.owner_uuid, p_now)
                        and not oracle.past(c.trash_at, p_now) and c.uuid = c.current_version_uuid
              end);
    when 'tpzed' then return exists (
        select from users as u
        where u.uuid = p_object and u.redirect_to_user_uuid is null and (u.is_active or u.uuid = p_user)
          and oracle.granted(p_user, u.uuid, u.owner_uuid) and not oracle.trashed(u.owner_uuid, p_now));
    when 'o0j2j' then return exists (
        select from links as l
        where l.uuid = p_object
          and case when l.link_class = 'permission'
                   then l.tail_uuid = p_user or oracle.can_manage(p_user, l.head_uuid)
                   else oracle.granted(p_user, l.uuid, l.owner_uuid) and not oracle.trashed(l.owner_uuid, p_now)
              end);
    when 'gj3su' then return exists (
        select from api_client_authorizations as a
        join users as u on u.id = a.user_id
        where a.uuid = p_object and u.uuid = p_user);
    when '2x53u' then return exists (
        select from virtual_machines as v
        where v.uuid = p_object and oracle.granted(p_user, v.uuid, v.owner_uuid) and not oracle.trashed(v.owner_uuid, p_now));
    when 'oss07' then return exists (
        select from credentials as c
        where c.uuid = p_object and oracle.granted(p_user, c.uuid, c.owner_uuid) and not oracle.trashed(c.owner_uuid, p_now));
    when 'fngyi' then return exists (
        select from authorized_keys as k
        where k.uuid = p_object and oracle.granted(p_user, k.uuid, k.owner_uuid) and not oracle.trashed(k.owner_uuid, p_now));
    when 'bi6l4' then return true;
    else return false;
    end case;
end $$;
