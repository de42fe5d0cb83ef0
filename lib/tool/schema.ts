import * as z from "zod";
import { isObject, type JsonObject } from "../base/json.ts";

/** The entry of a schema's metadata that is published in its place. */
const PUBLISHED = "published";

/** Metadata that publishes `json` in place of a schema whose whole form would take too much of a model's context. */
export function publishAs(json: JsonObject): Record<string, JsonObject> {
  return { [PUBLISHED]: json };
}

/**
 * Converts `input` to a JSON Schema for strict clients: without references and redundant keywords. Definitions use up
 * context in every window. So limits that callers keep unasked (lengths, counting from 0 or 1, shares of 1) and defaults are omitted;
 * a call that exceeds one is told so.
 */
export function publishSchema(input: z.ZodObject): JsonObject {
  const { $schema: _, ...schema } = z.toJSONSchema(input, {
    io: "input",
    reused: "inline",
    unrepresentable: "throw",
    override: ({ jsonSchema }) => {
      const brief = jsonSchema[PUBLISHED];
      if (isObject(brief)) {
        for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
        Object.assign(jsonSchema, brief);
        return;
      }
      // zod adds the safe integer limit, and an empty schema for additional properties.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      if (jsonSchema.minimum === 0 || jsonSchema.minimum === 1) delete jsonSchema.minimum;
      if (jsonSchema.maximum === 1) delete jsonSchema.maximum;
      for (const key of ["minLength", "maxLength", "minItems", "maxItems", "default"]) delete jsonSchema[key];
      const { additionalProperties } = jsonSchema;
      if (typeof additionalProperties === "object" && Object.keys(additionalProperties).length === 0) {
        delete jsonSchema.additionalProperties;
      }
    },
  });
  return schema as JsonObject;
}
