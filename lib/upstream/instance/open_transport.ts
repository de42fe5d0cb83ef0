import { getLogger } from "@logtape/logtape";
import { withDeadline } from "../../base/abort.ts";
import type { ExaiError } from "../../base/errors.ts";
import { loggingErrors } from "../../base/handler_errors.ts";
import type { MessageExtra, UpstreamTransport } from "../../transport/upstream_transport.ts";
import type { RequestId, RpcMessage } from "../../wire/rpc.ts";
import type { ServerErrors } from "./server_errors.ts";

const logger = getLogger(["exai", "upstream"]);

interface TransportEvents {
  /** The server's name. */
  name: string;
  /** How long it may take to connect, in milliseconds. */
  startTimeoutMs: number;
  errors: ServerErrors;
  /** Takes a line for the server's log. */
  log?(line: string): void;
  /** `about`: the request on whose stream the message came, on transports that have such streams. */
  onMessage(message: RpcMessage, about: RequestId | undefined): void;
  onEnd(why: ExaiError): void;
  /** See `UpstreamTransport.onlost`. */
  onLost(why: string): void;
  /** See `UpstreamTransport.onresumed`. */
  onResumed(): void;
}

/**
 * Opens the transport of a server, and has what it reports go on.
 *
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when it does not connect in time; what its `start` throws
 */
export async function openTransport(
  transport: UpstreamTransport,
  { name, startTimeoutMs, errors, log, ...events }: TransportEvents,
): Promise<void> {
  transport.onmessage = loggingErrors(
    "a message of a server",
    (message: RpcMessage, extra?: MessageExtra) => events.onMessage(message, extra?.about),
  );
  transport.onclose = () =>
    events.onEnd(errors.unavailable(transport.describeEnd?.() ?? "it closed the connection"));
  transport.onerror = (error) => {
    logger.debug("{server}: {message}", { server: name, message: error.message });
    log?.(`(${error.message})`);
  };
  transport.onlost = (why) => events.onLost(why);
  transport.onresumed = () => events.onResumed();
  // A server behind a URL may accept the connection and send nothing.
  const late = errors.unavailable(`it did not connect within ${startTimeoutMs} ms`);
  await withDeadline(transport.start(), { timeoutMs: startTimeoutMs, late });
}
