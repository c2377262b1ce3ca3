CREATE OR REPLACE FUNCTION g(a int) RETURNS int LANGUAGE sql SET search_path = pg_catalog AS 'SELECT a';
