import { ExaiError, messageOf } from "./errors.ts";
import { SECOND_MS } from "./units.ts";

/** What the system says when the machine, or this process, has no more handles, processes or memory to give. */
const WANTS: readonly { codes: readonly string[]; says: RegExp; what: string }[] = [
  {
    codes: ["EMFILE", "ENFILE"],
    says: /too many open files|\(os error (?:24|23)\)/i,
    what: "no file handles are left (see ulimit -n)",
  },
  {
    codes: ["EAGAIN"],
    says: /resource temporarily unavailable|\(os error 11\)/i,
    what: "no process can be started",
  },
  { codes: ["ENOMEM"], says: /cannot allocate memory|\(os error 12\)/i, what: "no memory is left" },
];

const RETRY_AFTER_MS = SECOND_MS;
const MAX_CAUSES = 5;

/**
 * What the machine wants for, in words, where that is why `thrown` was thrown. It is nobody's fault: no server and no
 * provider must be left alone for it. What a server says of itself does not count, so ours and its own errors are passed over.
 */
export function exhaustedResource(thrown: unknown): string | undefined {
  let error: unknown = thrown;
  for (let depth = 0; error instanceof Error && depth < MAX_CAUSES; depth++) {
    if (error instanceof ExaiError) return undefined;
    const { code, name } = error as { code?: unknown; name: string };
    const isSystem = typeof code === "string" || !/^(Error|StreamableHTTPError|SseError)$/.test(name);
    const found = WANTS.find(({ codes, says }) =>
      codes.includes(String(code)) || (isSystem && says.test(messageOf(error)))
    );
    if (found) return found.what;
    error = error.cause;
  }
  return undefined;
}

/** `thrown` as the refusal that says so, when the machine's want is what is behind it. */
export function overCapacityFor(what: string, thrown: unknown): ExaiError | undefined {
  const want = exhaustedResource(thrown);
  if (want === undefined) return undefined;
  return new ExaiError("OVER_CAPACITY", `${what}: on this machine ${want} just now; try again in a moment`, {
    cause: thrown,
    retryAfterMs: RETRY_AFTER_MS,
  });
}
