UPDATE users SET shown = name;
