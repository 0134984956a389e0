-- login.lua: wrk logs in without pause.
--
--   wrk -s login.lua URL -- PASSWORD USERS
--
-- Each connection sends jobpsych's POST /api/auth/login with the password, for one of the first USERS
-- users after the other. Prints one line, `wrk` and then name=value pairs: requests, duration_us, errors (socket
-- errors, time-outs and statuses above 399), p50_us.

local requests = {}
local nth = 0

function init(args)
  for n = 1, tonumber(args[2]) do
    requests[n] = wrk.format("POST", nil, { ["Content-Type"] = "application/json" },
      string.format('{"email":"bench-%d@example.com","password":"%s"}', n, args[1]))
  end
end

function request()
  nth = nth % #requests + 1
  return requests[nth]
end

function done(summary, latency, _)
  local errors = summary.errors
  print(string.format("wrk requests=%d duration_us=%d errors=%d p50_us=%d",
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50)))
end
