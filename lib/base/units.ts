/** Binary byte units. */
export const KIB = 1024;
export const MIB = 1024 * KIB;

/** Time units in milliseconds. */
export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;

/** `bytes` in the largest unit that fits: "512 B", "1.5 KiB", "32 MiB". */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${Number.isInteger(value) ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `$1.50`, `$0.0042`: more digits after the point where cents would show nothing. */
export function formatUsd(usd: number): string {
  const digits = usd === 0 || usd >= 0.1 ? 2 : usd >= 0.001 ? 4 : 6;
  return `$${usd.toFixed(digits)}`;
}
