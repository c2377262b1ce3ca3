DROP FUNCTION f(integer);
DROP TYPE mood;
