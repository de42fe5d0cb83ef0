import type { Caller } from "../call/call.ts";
import type { RequestId } from "../wire/rpc.ts";

/** What a session knows of its own listens. */
interface OpenListens {
  readonly size: number;
  /** Answers them all: the daemon stops. */
  end(): void;
}

/** What one session has of the modern era, in which each request says who sends it. */
export class ModernPresence {
  /** Requests that are not answered, by the ids the client gave them. */
  readonly requests = new Set<RequestId>();
  /** Requests that an earlier daemon was sent and has not answered; a listen of these is restored here. */
  readonly earlier = new Set<RequestId>();
  /** The callers its requests belong to. */
  tenants: Iterable<Caller> = [];
  /** Undefined until the first request. */
  listens: OpenListens | undefined;
  /** Of the latest request. */
  revision: string | undefined;
}
