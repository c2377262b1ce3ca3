ALTER TYPE mood ADD VALUE 'bad' AFTER 'good';
