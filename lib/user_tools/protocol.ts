import type { JsonObject } from "../base/json.ts";
import type { Progress } from "../call/call.ts";

/** The session of a call, as far as a tool sees it. */
interface CallFacts {
  /** Working directory of the window, absolute. */
  cwd: string | undefined;
  /** The client's own name, such as `claude-code`. */
  client: string | undefined;
}

/** A message to the worker of a tool. `id` is a call, `request` a request of the worker. */
export type HostMessage =
  | { kind: "load"; url: string }
  | { kind: "call"; id: number; args: JsonObject; facts: CallFacts }
  | { kind: "abort"; id: number; message: string }
  /** `result` is JSON. */
  | { kind: "response"; request: number; result: string }
  | { kind: "response"; request: number; error: string };

/** A message of the worker of a tool. */
export type WorkerMessage =
  /** `definition` is the default export of the module, as JSON. */
  | { kind: "loaded"; definition: string }
  | { kind: "load_failed"; message: string }
  | { kind: "started"; id: number }
  | { kind: "abort_received"; id: number }
  /** `result` is JSON; undefined when the tool returned nothing. */
  | { kind: "succeeded"; id: number; result: string | undefined }
  | { kind: "failed"; id: number; message: string; stack?: string }
  | { kind: "progress"; id: number; progress: Progress }
  | { kind: "log"; level: "debug" | "info" | "warning" | "error"; text: string }
  | { kind: "request"; id: number; request: number; method: string; params: JsonObject }
  | { kind: "uncaught"; message: string };
