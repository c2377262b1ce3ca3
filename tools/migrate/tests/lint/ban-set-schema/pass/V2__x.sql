CREATE SCHEMA other;
CREATE VIEW other.users AS SELECT user_id, name FROM public.users;
