// common.js: what the two services share, so that they differ in framework and cache only.
//
// Environment:
//   PORT, HOST        where to listen
//   JWT_SECRET_FILE   the HS256 secret that signed the tokens
//   PGHOST, PGPORT, PGUSER, PGDATABASE
//   WORKERS           processes that share the port (default 1)
//   POOL              database connections of one process (default 12)
//
// Tuned as the libraries allow: the secret is a KeyObject made once (with a string, jsonwebtoken 9
// builds one in every call, which costs many times the verification), statements are prepared by
// name, NODE_ENV is production, nothing is logged.
'use strict';

const cluster = require('node:cluster');
const crypto = require('node:crypto');
const fs = require('node:fs');
const jwt = require('jsonwebtoken');
const { Pool } = require('pg');

const THRESHOLD = 10;
const INCREMENT_MAX = 2147483647;
const KEY = crypto.createSecretKey(fs.readFileSync(process.env.JWT_SECRET_FILE));
const VERIFY_OPTIONS = { algorithms: ['HS256'] };

const pool = () => new Pool({ max: Number(process.env.POOL || 12) });

// claimsOf returns the verified claims of an Authorization header, undefined without one, or null
// for a token that is not valid here.
function claimsOf(header) {
  if (header === undefined || !header.startsWith('Bearer ')) {
    return undefined;
  }
  try {
    const claims = jwt.verify(header.slice(7), KEY, VERIFY_OPTIONS);
    return claims.api === 'vsplugin' && claims.use === 'access' ? claims : null;
  } catch {
    return null;
  }
}

// countOf: a number that is an integer in range, else 0.
function countOf(value) {
  return Number.isInteger(value) && value >= 0 && value <= INCREMENT_MAX ? value : 0;
}

// answerOf: the row of an UPDATE ... RETURNING (pg gives bigint as text).
function answerOf(row) {
  return {
    message: 'Usage tracked successfully',
    currentPromptCount: Number(row.prompt_count),
    currentTokenCount: Number(row.token_count),
    threshold: THRESHOLD,
  };
}

// serve runs start(port, host) in WORKERS processes.
function serve(start) {
  const workers = Number(process.env.WORKERS || 1);
  if (workers > 1 && cluster.isPrimary) {
    for (let i = 0; i < workers; i++) {
      cluster.fork();
    }
    cluster.on('exit', () => process.exit(1));
    return;
  }
  start(Number(process.env.PORT), process.env.HOST || '127.0.0.1');
}

module.exports = { pool, claimsOf, countOf, answerOf, serve };
