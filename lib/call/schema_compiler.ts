import { Ajv } from "ajv";
import type { JsonObject } from "../base/json.ts";

/**
 * What the SDK's clients compile a schema with.
 *
 * This file, and not the package, is what is loaded late: a package of CommonJS that is imported late has only its
 * default once it is bundled, and no names.
 *
 * @returns compiles a schema; throws when it cannot be compiled
 */
export function schemaCompiler(): (schema: JsonObject) => unknown {
  // Messages about foreign schemas must not reach stderr.
  const ajv = new Ajv({ strict: false, validateSchema: false, allErrors: true, logger: false });
  return (schema) =>
    typeof schema.$id === "string" ? ajv.getSchema(schema.$id) ?? ajv.compile(schema) : ajv.compile(schema);
}
