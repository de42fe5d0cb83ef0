import type { UpstreamTransport } from "../transport/upstream_transport.ts";
import type { Era } from "../wire/client_claim.ts";
import { Instance } from "./instance/instance.ts";
import type { InstanceOptions } from "./instance/instance_options.ts";
import { type KnownEra, StartAgainError } from "./instance/link/find_era.ts";

/** Knows which era of MCP a server speaks, from its configuration or from earlier starts. */
export interface EraKeeper {
  known(): KnownEra;
  /** A start has found it out; undefined: what was known is wrong. */
  found(era: Era | undefined): void;
  /** Takes it for of the legacy era without proof, so that it is not asked; false: no longer. */
  presumeLegacy(isPresumed: boolean): void;
}

export interface StartParts {
  /** Opens the connection. */
  connect(): Promise<UpstreamTransport>;
  eras: EraKeeper;
  /** Called when the server has ended at once and is started again. */
  onStartAgain?(): void;
  /** Closes the connection when it aborts. */
  signal: AbortSignal;
}

/**
 * Starts an instance on `first`, a connection that is open, in the era its server speaks. A server that ends when it is
 * asked for that is started once more, without the question. One that ends then too would end whatever it was asked: until
 * it has started well it is not asked again, so that each try costs one process.
 *
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` with the server's name and what went wrong
 */
export async function startSpoken(
  first: UpstreamTransport,
  { connect, eras, onStartAgain, signal }: StartParts,
  options: Omit<InstanceOptions, "era" | "onEra">,
): Promise<Instance> {
  const onEra = (era: Era | undefined) => eras.found(era);
  const start = async (transport: UpstreamTransport, era: KnownEra) => {
    closeOnAbort(transport, signal);
    const instance = await Instance.start(transport, { ...options, era, onEra });
    eras.presumeLegacy(false);
    return instance;
  };
  const startAgain = async (next: KnownEra) => {
    if (next.is === "presumed") {
      eras.presumeLegacy(true);
      onStartAgain?.();
    }
    const instance = await start(await connect(), next);
    if (next.is === "presumed") eras.found(instance.speaks.era);
    return instance;
  };
  try {
    return await start(first, eras.known());
  } catch (thrown) {
    if (!(thrown instanceof StartAgainError)) throw thrown;
    if (signal.aborted) throw thrown.cause;
    return await startAgain(thrown.next).catch((again) => {
      throw again instanceof StartAgainError ? again.cause : again;
    });
  }
}

function closeOnAbort(transport: UpstreamTransport, signal: AbortSignal): void {
  // Not awaited: a server that hangs at its start must not delay the daemon's shutdown.
  const close = () => void transport.close().catch(() => {});
  if (signal.aborted) close();
  else signal.addEventListener("abort", close, { once: true });
}
