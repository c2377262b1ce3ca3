-- flotilla-ignore undeclared-table
CREATE TABLE scratch (a text);
