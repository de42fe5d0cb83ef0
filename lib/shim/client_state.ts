import { isObject, type JsonObject } from "../base/json.ts";
import { type PeekedResponse, responseBody } from "../wire/peek.ts";

/** What a daemon must be told that has not met the client: all that its MCP session consists of. */
export class ClientState {
  /** Parameters of the client's `initialize`, once it was answered well. */
  initialize: JsonObject | undefined;
  /** That answer, without its id. */
  initializeBody = "";
  /** Whether the client has said `notifications/initialized`. */
  initialized = false;
  /** Parameters of the last `logging/setLevel`. */
  logLevel: JsonObject | undefined;
  /** Parameters of `resources/subscribe` by URI. */
  readonly subscriptions = new Map<unknown, JsonObject>();

  /** The revision the client has agreed on, once it has initialized. */
  get revision(): string | undefined {
    const revision = this.initializeBody && JSON.parse(`{${this.initializeBody}`).result?.protocolVersion;
    return typeof revision === "string" && revision !== "" ? revision : undefined;
  }

  /** Takes in that the daemon has answered `request` well. */
  noteResponse(
    request: { method: string; text: string },
    answer: { text: string; response: PeekedResponse },
  ): void {
    switch (request.method) {
      case "initialize":
        this.#begin(paramsOf(request.text), responseBody(answer.text, answer.response));
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

  /** Whether the server may send the client `notifications/<list>/list_changed`, as it said in `initialize`. */
  mayNotify(list: string): boolean {
    const capabilities = this.initializeBody && JSON.parse(`{${this.initializeBody}`).result?.capabilities;
    return isObject(capabilities) && isObject(capabilities[list]) && capabilities[list].listChanged === true;
  }

  #begin(params: JsonObject, body: string): void {
    this.initialize = params;
    this.initializeBody = body;
    this.logLevel = undefined;
    this.subscriptions.clear();
  }
}

function paramsOf(text: string): JsonObject {
  return JSON.parse(text).params ?? {};
}
