// express.js: POST /trackUsage with Express, pg, jsonwebtoken and ioredis. The token's version is
// looked up in Redis, as services do that keep sessions there; the counters are in PostgreSQL.
//
// Environment besides that of common.js: REDIS_SOCKET.
'use strict';

const express = require('express');
const { Redis } = require('ioredis');
const { pool, claimsOf, countOf, answerOf, serve } = require('./common');

const TRACK = {
  name: 'track',
  text: `UPDATE bench.peer_user
            SET prompt_count = prompt_count + $2, token_count = token_count + $3
          WHERE id = $1
          RETURNING prompt_count, token_count`,
};

serve((port, host) => {
  const db = pool();
  // Look-ups of one turn of the event loop travel together.
  const redis = new Redis({ path: process.env.REDIS_SOCKET, enableAutoPipelining: true });
  const app = express();

  app.disable('x-powered-by');
  app.set('etag', false);
  app.use(express.json({ limit: 102400 }));

  app.post('/trackUsage', async (request, response) => {
    const claims = claimsOf(request.headers.authorization);
    if (claims === undefined) {
      response.status(401).json({ error: 'Authorization header missing or malformed' });
      return;
    }
    if (claims === null || Number(await redis.get(`ver:${claims.userId}`)) !== claims.ver) {
      response.status(403).json({ error: 'Invalid or expired token' });
      return;
    }
    const { usage, tokenCount } = request.body ?? {};
    const { rows } = await db.query({
      ...TRACK,
      values: [claims.userId, countOf(usage), countOf(tokenCount)],
    });
    if (rows.length === 0) {
      response.status(404).json({ error: 'User not found' });
      return;
    }
    response.json(answerOf(rows[0]));
  });
  app.listen(port, host);
});
