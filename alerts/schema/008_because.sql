-- The reason once more, in clauses with their figures: [{"say": key, "figures": {name: number}}], for a console in any language.
alter table alarm_transition add column because jsonb;
