/** A clock of one object, in milliseconds, that a test sets. */
export function clock() {
  let ms = 1000;
  return { now: () => ms, pass: (by: number) => ms += by };
}
