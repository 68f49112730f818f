-- materialized_permissions recomputed straight from groups, users and links, without the demo's functions and without
-- the view permission_graph_edges; then the number of rows in which the table differs from it.
with recursive edge (source, target, level) as (
    select owner_uuid::text, uuid::text, 3 from groups
    union all
    select owner_uuid, uuid, 3 from users
    union all
    select tail_uuid, head_uuid,
           case when name = 'can_manage' then 3 when name = 'can_write' then 2
                when name in ('can_read', 'can_login') then 1 else 0 end
    from links
    where link_class = 'permission'
),
step as (
    select *, target like '______j7d0g-%' or (target like '______tpzed-%' and level = 3) as opens from edge
),
reach (user_uuid, target, level, opens) as (
    (
        select uuid::text, uuid::text, 3, true from users
        union
        select source, target, level, opens from step where source in (select uuid from users)
    )
    union
    select reach.user_uuid, step.target, least(reach.level, step.level), step.opens
    from reach
    join step on step.source = reach.target
    where reach.target like '______j7d0g-%'
),
expected as (
    select user_uuid, target, max(level) as level, bool_or(opens) as opens
    from reach
    group by user_uuid, target
    having max(level) >= 1
)
select count(*)
from expected
full join materialized_permissions as have on have.user_uuid = expected.user_uuid and target_uuid = target
where (perm_level, traverse_owned) is distinct from (level, opens);
