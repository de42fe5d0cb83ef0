import { ExaiError } from "../../base/errors.ts";
import type { ModelInfo, ProviderRequest } from "../provider.ts";
import { readErrorBody } from "./error_body.ts";
import { type ApiError, faultKindOf } from "./provider_errors.ts";
import type { ApiProtocol } from "./protocol.ts";
import type { ProviderApi } from "./provider_api.ts";

/** The HTTP statuses by which a server says that it has no such path, or that the model is not to be had there. */
const NOT_THERE: readonly unknown[] = [404, 405, 501];

/** Error codes that say the same with another status (GitHub Copilot, Azure). */
const OTHER_API: readonly string[] = ["unsupported_api_for_model", "operationnotsupported"];

/** OpenAI and gateways have no code for it, and name the path. */
const NAMES_PATH = /\bv1\/(?:responses|chat\/completions)\b/;

/** Chooses the protocol by which each model of a provider is asked, and remembers where another than the first is right. */
export class ProtocolChoice {
  readonly #api: ProviderApi;
  readonly #learned = new Map<string, ApiProtocol>();

  constructor(api: ProviderApi) {
    this.#api = api;
  }

  /** The protocols by which `model` may be asked, the likelier first. */
  candidates(model: ModelInfo): ApiProtocol[] {
    const first = this.#learned.get(model.name) ?? this.#api.protocolOf(model);
    const second = this.#api.alternativeTo?.(first);
    return second === undefined ? [first] : [first, second];
  }

  /** Forgets what was learned, since another version of the server may run now. */
  forget(): void {
    this.#learned.clear();
  }

  /**
   * Asks by one protocol, and by the other if the provider does not have the first for this model: that costs nothing.
   * The web search belongs to one protocol.
   *
   * @throws {ExaiError} what `ask` throws; the first error if the model is to be had by neither protocol
   */
  async ask<T>(
    { model, webSearch = false }: Pick<ProviderRequest, "model" | "webSearch">,
    ask: (protocol: ApiProtocol) => Promise<T>,
  ): Promise<T> {
    if (webSearch) return await ask(this.#api.protocolOf(model));
    const [first, second] = this.candidates(model);
    try {
      return await ask(first!);
    } catch (thrown) {
      if (second === undefined || !isNotThere(thrown)) throw thrown;
      return await this.#askInstead(model, () => ask(second), { protocol: second, firstError: thrown });
    }
  }

  async #askInstead<T>(
    { name }: ModelInfo,
    ask: () => Promise<T>,
    { protocol, firstError }: { protocol: ApiProtocol; firstError: unknown },
  ): Promise<T> {
    try {
      const result = await ask();
      this.#learned.set(name, protocol);
      return result;
    } catch (thrown) {
      throw isNotThere(thrown) || isOfNoApi(thrown) ? firstError : thrown;
    }
  }
}

/** Whether something else than the API seems to have answered: a web page, a gate before it, a text without any code. */
function isOfNoApi(thrown: unknown): boolean {
  const fault = faultKindOf(thrown);
  return fault === "malformed" || fault === "auth" || (fault === "refused" && codesOf(thrown).length === 0);
}

function codesOf(thrown: unknown): string[] {
  const { cause } = thrown as ExaiError;
  return readErrorBody((cause as Partial<ApiError> | undefined)?.error).codes;
}

function isNotThere(thrown: unknown): boolean {
  if (!(thrown instanceof ExaiError)) return false;
  const status = thrown.details?.status;
  if (NOT_THERE.includes(status)) return true;
  if (faultKindOf(thrown) !== "refused") return false;
  const codes = codesOf(thrown);
  if (status === 400 && NAMES_PATH.test(thrown.message)) return true;
  // LM Studio names a path that it does not have in a document without any code, sent with 200.
  return codes.length === 0 ? status === undefined : codes.some((code) => OTHER_API.includes(code));
}
