-- Passwords for the users who log in while others are metered. Their tokens of before are no good any
-- more, so this comes before /signup. Variables: users, password.
SELECT count(authmeter.user_password_set(id, :'password')) FROM bench.usr WHERE n <= :users;
