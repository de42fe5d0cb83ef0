import { isObject, type JsonObject } from "../base/json.ts";
import { responseBody } from "../wire/peek.ts";

/** The state of the client's MCP session, which a new daemon must be given. */
export class ClientState {
  /** Parameters of the client's `initialize`, once it has succeeded. */
  initialize: JsonObject | undefined;
  /** The result of that `initialize`, as text without the id. */
  initializeBody = "";
  /** Whether the client has sent `notifications/initialized`. */
  hasInitialized = false;
  /** Parameters of the last `logging/setLevel`. */
  logLevel: JsonObject | undefined;
  /** Parameters of `resources/subscribe` by URI. */
  readonly subscriptions = new Map<unknown, JsonObject>();

  /** The negotiated MCP revision, once the client has initialized. */
  get revision(): string | undefined {
    const revision = this.initializeBody && JSON.parse(`{${this.initializeBody}`).result?.protocolVersion;
    return typeof revision === "string" && revision !== "" ? revision : undefined;
  }

  /** Records a successful response of the daemon. */
  noteResponse(
    request: { method: string; text: string },
    answer: { text: string },
  ): void {
    switch (request.method) {
      case "initialize":
        this.#initialize(paramsOf(request.text), responseBody(answer.text));
        break;
      case "logging/setLevel":
        this.logLevel = paramsOf(request.text);
        break;
      case "resources/subscribe": {
        const params = paramsOf(request.text);
        this.subscriptions.set(params.uri, params);
        break;
      }
      case "resources/unsubscribe":
        this.subscriptions.delete(paramsOf(request.text).uri);
    }
  }

  /** Whether the daemon declared `notifications/<list>/list_changed` in its capabilities. */
  mayNotify(list: string): boolean {
    const capabilities = this.initializeBody && JSON.parse(`{${this.initializeBody}`).result?.capabilities;
    return isObject(capabilities) && isObject(capabilities[list]) && capabilities[list].listChanged === true;
  }

  #initialize(params: JsonObject, body: string): void {
    this.initialize = params;
    this.initializeBody = body;
    this.logLevel = undefined;
    this.subscriptions.clear();
  }
}

function paramsOf(text: string): JsonObject {
  return JSON.parse(text).params ?? {};
}
