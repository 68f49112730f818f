-- The columns of the tables of Arvados as lines like those of arvados_columns.txt.
select concat_ws(' ', relname, attname,
    replace(replace(replace(format_type(atttypid, atttypmod), 'character varying', 'varchar'),
        'timestamp(6) without time zone', 'timestamp(6)'), 'timestamp without time zone', 'timestamp'),
    case when attnotnull then 'NN' end,
    case when pg_get_expr(adbin, adrelid) not like 'nextval(%'
        then 'default ' || regexp_replace(pg_get_expr(adbin, adrelid), '^''(.*)''::.*$', '\1') end)
from pg_class
join pg_attribute on attrelid = pg_class.oid and attnum > 0 and not attisdropped
left join pg_attrdef on adrelid = attrelid and adnum = attnum
where relnamespace = 'public'::regnamespace and relkind = 'r'
order by relname collate "C", attname collate "C";
