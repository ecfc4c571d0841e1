-- Requests links that are spread evenly over the catalog. The requests are made once, so that the
-- generator's own cost stays small.
local requests, next_one = {}, 0

init = function(args)
  local links = tonumber(args[1])
  local count = math.min(links, 20000)
  for i = 1, count do
    local slug = "l" .. math.floor((i - 1) * links / count)
    requests[i] = wrk.format("GET", "/" .. slug)
  end
end

request = function()
  next_one = next_one % #requests + 1
  return requests[next_one]
end
