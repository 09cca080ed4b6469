-- Asks for the paths in the file `paths`, one after the other.
local paths, place = {}, 0
for line in io.lines("paths") do paths[#paths + 1] = line end

function request()
  place = place % #paths + 1
  return wrk.format("GET", paths[place])
end

function done(summary, latency)
  local errors = summary.errors
  local bad = errors.status + errors.connect + errors.read + errors.write + errors.timeout
  print(string.format("FIGURES %f %f %f %d", summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, bad))
end
