CREATE OR REPLACE VIEW orders_per_user WITH (security_invoker = true) AS
SELECT user_id, count(*) AS orders, sum(total) AS total
FROM orders
GROUP BY user_id;
