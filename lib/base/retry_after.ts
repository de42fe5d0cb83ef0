/** How long an answer asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date (RFC 9110, 10.2.3). */
export function retryAfterMs(
  headers: Pick<Headers, "get"> | undefined,
  nowMs = Date.now(),
): number | undefined {
  const precise = Number(headers?.get("retry-after-ms") ?? NaN);
  if (precise >= 0) return precise;
  const text = headers?.get("retry-after") ?? "";
  if (text === "") return undefined;
  const ms = /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}
