import type { JsonObject } from "../../base/json.ts";
import type { ModelEntry } from "../catalogue/catalogue.ts";
import type { ModelInfo } from "../provider.ts";
import type { ProviderEndpoint } from "./endpoint.ts";
import type { ApiProtocol } from "./protocol.ts";

/** The APIs of one kind of provider. */
export interface ProviderApi {
  /** The protocol by which `model` is asked. */
  protocolOf(model: ModelInfo): ApiProtocol;
  /** The protocol that may be there where the provider does not have `protocol` for a model. */
  alternativeTo?(protocol: ApiProtocol): ApiProtocol;
  /**
   * Lists the models, each as an object with an `id`.
   *
   * @throws {ExaiError} a provider error
   */
  listModels(endpoint: ProviderEndpoint, signal: AbortSignal): Promise<JsonObject[]>;
  /** Reads an entry of the list; undefined for a model that does not chat. */
  describe(listed: JsonObject): Omit<ModelEntry, "name"> | undefined;
}
