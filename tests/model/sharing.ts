import type { ModelServer } from "./server.ts";

/** Processes of `server` that windows have met in which should not have. */
export function sharingFaults({ name, share, processes }: ModelServer): string[] {
  return processes.flatMap(({ callers, places }) => {
    if (share === "session" && callers.size > 1) return [`${name}: one process for ${[...callers]}`];
    if (share === "project" && places.size > 1) {
      return [`${name}: one process for ${[...places]}, called by ${[...callers]}`];
    }
    return [];
  });
}
