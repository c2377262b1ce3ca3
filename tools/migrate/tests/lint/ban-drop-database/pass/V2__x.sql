-- Taken out of use; an administrator drops it.
REVOKE CONNECT ON DATABASE other FROM PUBLIC;
