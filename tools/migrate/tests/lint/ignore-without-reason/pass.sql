-- flotilla-ignore undeclared-table a scratch table of the import
CREATE TABLE scratch (a text);
