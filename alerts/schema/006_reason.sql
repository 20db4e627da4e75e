-- Why, in words, where limits alone do not say it: a score of 0.8 means little to whom it wakes.
alter table alarm_transition add column reason text;
alter table shadow_transition add column reason text;
