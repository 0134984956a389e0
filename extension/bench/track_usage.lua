-- track_usage.lua: wrk sends POST /trackUsage.
--
--   wrk -s track_usage.lua URL -- TOKEN_FILE USERS [check]
--
-- Each request carries one of the first USERS tokens of TOKEN_FILE, picked at random. All requests
-- are built before the clock runs. wrk itself counts every reply with a status above 399; with
-- `check` each reply is read too: status 200 and the body of a counted call, anything else is `bad`.
--
-- Prints one line, `wrk` and then name=value pairs: requests, duration_us, errors (socket errors,
-- time-outs and statuses above 399), bad, mean_us, p50_us, p99_us.

local BODY = '{"usage":1,"tokenCount":250}'
local REPLY = '^{"message":"Usage tracked successfully","currentPromptCount":%d+,'

local threads = {}
local requests = {}

function setup(thread)
  threads[#threads + 1] = thread
  thread:set("seed", os.time() + 7919 * #threads)
end

function init(args)
  local users = tonumber(args[2])
  math.randomseed(seed)
  bad = 0
  for token in io.lines(args[1]) do
    if #requests == users then
      break
    end
    requests[#requests + 1] = wrk.format("POST", nil, {
      ["Authorization"] = "Bearer " .. token,
      ["Content-Type"] = "application/json",
    }, BODY)
  end
  if #requests ~= users then
    error(string.format("%s has fewer than %s tokens", args[1], args[2]))
  end
  if args[3] == "check" then
    response = function(status, _, body)
      if status ~= 200 or not body:find(REPLY) then
        bad = bad + 1
      end
    end
  end
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency, _)
  local errors, all_bad = summary.errors, 0
  for _, thread in ipairs(threads) do
    all_bad = all_bad + thread:get("bad")
  end
  print(string.format("wrk requests=%d duration_us=%d errors=%d bad=%d mean_us=%d p50_us=%d p99_us=%d",
    summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout, all_bad,
    latency.mean, latency:percentile(50), latency:percentile(99)))
end
