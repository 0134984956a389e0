-- Variables that the APIs have been deployed with and that are no secrets: each gives a setting its first
-- value (see authmeter_http.deployment_import). Secrets stand in the file of their API. Names that
-- need no place here: PORT, LOG_LEVEL and DATABASE_URL are the gateway's own, NODE_ENV, REDIS_* and
-- MONGO*_URI are ignored.
INSERT INTO authmeter_http.deployment (api, name, setting) VALUES
	('autoverse', 'CLIENT_URL', 'autoverse.cors_origins'),
	('autoverse', 'JWT_EXPIRES_IN', 'autoverse.access_ttl'),
	('autoverse', 'JWT_REFRESH_EXPIRES_IN', 'autoverse.refresh_ttl'),
	('jobpsych', 'CORS_ORIGINS', 'jobpsych.cors_origins'),
	('jobpsych', 'JWT_ACCESS_EXPIRES_IN', 'jobpsych.access_ttl'),
	('jobpsych', 'JWT_REFRESH_EXPIRES_IN', 'jobpsych.refresh_ttl'),
	('jobpsych', 'UPLOAD_LIMIT', 'jobpsych.upload_limit'),
	('quizzer', 'BCRYPT_ROUNDS', 'quizzer.bcrypt_rounds'),
	('quizzer', 'FRONTEND_URL', 'quizzer.cors_origins'),
	('quizzer', 'JWT_EXPIRES_IN', 'quizzer.token_ttl');
