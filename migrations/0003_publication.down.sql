-- Every table has left the publication by now (uncover_step), so this locks nothing of Arvados.
drop function walcast.uncover_step();
drop view walcast.uncover_plan;
drop function walcast.cover_step();
drop view walcast.cover_plan;
drop view walcast.coverage;
drop publication if exists walcast;
