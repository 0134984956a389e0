# table.awk: the table of make bench.
#
#   awk -F '\t' -f table.awk ROWS VALUES
#
# VALUES: key, round, value. ROWS: label, key of our side, key of the other side (may be empty), its
# name, kind, goal (may be empty). A row whose keys have no values is left out.
#
# kind says what the ratio means:   rate  ours / theirs, requests a second (more is better)
#                                   time  ours / theirs, duration (less is better)
#                                   fast  theirs / ours, durations (more is better)
# The unit is the end of the key: _s per second, _ns nanoseconds, _us microseconds.
#
# The ratio is that of the two measurements of one round; shown are its median over the rounds, its
# least and its greatest. Exit status 3: a goal was missed.

FNR == 1 { file++ }

file == 1 && NF >= 5 && $1 !~ /^#/ {
  rows++
  label[rows] = $1; ours[rows] = $2; theirs[rows] = $3; name[rows] = $4; kind[rows] = $5
  goal[rows] = $6
}

file == 2 {
  value[$1, $2] = $3
  if ($2 > rounds)
    rounds = $2
}

# sort_list: insertion sort of list[1..n].
function sort_list(list, n,    i, j, held)
{
  for (i = 2; i <= n; i++)
  {
    held = list[i]
    for (j = i - 1; j >= 1 && list[j] > held; j--)
      list[j + 1] = list[j]
    list[j + 1] = held
  }
}

function median(list, n)
{
  sort_list(list, n)
  return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

# median_of: of one key over the rounds; -1 without values.
function median_of(key,    round, n, list)
{
  for (round = 1; round <= rounds; round++)
    if ((key, round) in value)
      list[++n] = value[key, round]
  return n ? median(list, n) : -1
}

# ratio_of: sets ratio_median, ratio_min, ratio_max of a row; false without values.
function ratio_of(row,    round, n, list, a, b)
{
  for (round = 1; round <= rounds; round++)
    if ((ours[row], round) in value && (theirs[row], round) in value)
    {
      a = value[ours[row], round]
      b = value[theirs[row], round]
      list[++n] = kind[row] == "fast" ? b / a : a / b
    }
  if (!n)
    return 0
  ratio_median = median(list, n)
  ratio_min = list[1]
  ratio_max = list[n]
  return 1
}

function figure(key, x)
{
  if (x < 0)
    return ""
  if (key ~ /_s$/)
    return sprintf(x < 100 ? "%.1f/s" : "%d/s", x)
  if (key ~ /_ns$/)
    x /= 1000
  return x < 1000 ? sprintf("%.3g us", x) : sprintf("%.3g ms", x / 1000)
}

function digits(x)
{
  return x < 10 ? sprintf("%.2f", x) : sprintf("%.1f", x)
}

function verdict(row,    limit, met)
{
  if (goal[row] == "")
    return ""
  limit = substr(goal[row], 4) + 0
  met = goal[row] ~ /^>=/ ? ratio_median >= limit : ratio_median <= limit
  if (!met)
    missed++
  return goal[row] (met ? "  met" : "  MISSED")
}

function line(a, b, c, d, e, f, g)
{
  text = sprintf("%-42s %11s  %-42s %11s  %7s  %-15s %s", a, b, c, d, e, f, g)
  sub(/ +$/, "", text)
  print text
}

END {
  line("figure", "authmeter", "compared with", "", "ratio", "min .. max", "goal")
  for (row = 1; row <= rows; row++)
  {
    a = median_of(ours[row])
    if (a < 0)
      continue
    if (theirs[row] == "")
      line(label[row], figure(ours[row], a))
    else if (ratio_of(row))
      line(label[row], figure(ours[row], a), name[row],
        figure(theirs[row], median_of(theirs[row])),
        digits(ratio_median), digits(ratio_min) " .. " digits(ratio_max), verdict(row))
  }
  exit missed ? 3 : 0
}
