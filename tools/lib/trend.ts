/** A straight line through points, by least squares. */
export interface Trend {
  /** By how much it rises in an hour. */
  slope: number;
  /** Standard error of the slope. */
  error: number;
}

/** The trend of `values` over `hours`. */
export function trendOf(hours: readonly number[], values: readonly number[]): Trend {
  const n = hours.length;
  const mean = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / n;
  const [meanX, meanY] = [mean(hours), mean(values)];
  const spread = hours.reduce((sum, x) => sum + (x - meanX) ** 2, 0);
  const slope = hours.reduce((sum, x, i) => sum + (x - meanX) * (values[i]! - meanY), 0) / spread;
  const rest = hours.reduce((sum, x, i) => sum + (values[i]! - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, error: Math.sqrt(rest / (n - 2) / spread) };
}
