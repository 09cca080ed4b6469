-- The portal's back end at nine o'clock: for one holder after the other of the file `holders`, a 加注 and its PDF.
-- One connection a thread; the time is that of both together.
local ffi = require("ffi")
ffi.cdef("struct timespec { long s; long ns; }; int clock_gettime(int, struct timespec *);")
local spec = ffi.new("struct timespec")
local function now()
  ffi.C.clock_gettime(1, spec)
  return tonumber(spec.s) * 1e3 + tonumber(spec.ns) / 1e6
end

local holders = {}
for line in io.lines("holders") do holders[#holders + 1] = { line:match("(%S+) (%S+)") } end
local count, pdf, began = 0, nil, nil
times, bad = {}, 0

local threads = {}
function setup(thread)
  thread:set("place", #threads * 911)
  threads[#threads + 1] = thread
end

function request()
  local licence, number = unpack(holders[(place + count * 17) % #holders + 1])
  wrk.headers["Holder-Id-Type"] = "111"
  wrk.headers["Holder-Id-Number"] = number
  wrk.headers["Holder-Face-Verified-At"] = os.date("!%Y-%m-%dT%H:%M:%SZ")
  if pdf then return wrk.format("GET", pdf) end
  began = now()
  return wrk.format("POST", "/api/v1/licences/" .. licence .. "/annotations")
end

function response(status, _, body)
  if not pdf then
    pdf = status == 201 and body:match('"pdf":"([^"]+)"') or nil
    if pdf then return end
  elseif status == 200 and body:sub(1, 5) == "%PDF-" then
    times[#times + 1] = now() - began
    pdf, count = nil, count + 1
    return
  end
  bad, pdf, count = bad + 1, nil, count + 1
end

function done(summary)
  local all, failed = {}, 0
  for _, thread in ipairs(threads) do
    for _, time in ipairs(thread:get("times")) do all[#all + 1] = time end
    failed = failed + thread:get("bad")
  end
  table.sort(all)
  local at = function(part) return all[math.max(1, math.ceil(#all * part))] or 0 end
  print(string.format("FIGURES %f %f %f %d", #all / summary.duration * 1e6, at(0.5), at(0.99), failed))
end
