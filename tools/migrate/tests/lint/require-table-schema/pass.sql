CREATE TABLE public.a (a text);
