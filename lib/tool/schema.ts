import * as z from "zod";
import type { JsonObject } from "../base/json.ts";

/**
 * Converts `input` to a JSON Schema for strict clients: without references and redundant keywords. Definitions use up
 * context in every window, so text length limits are omitted and only reported when exceeded.
 */
export function publishSchema(input: z.ZodObject): JsonObject {
  const { $schema: _, ...schema } = z.toJSONSchema(input, {
    io: "input",
    reused: "inline",
    unrepresentable: "throw",
    override: ({ jsonSchema }) => {
      // zod adds the safe integer limit, and an empty schema for additional properties.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      delete jsonSchema.minLength;
      delete jsonSchema.maxLength;
      const { additionalProperties } = jsonSchema;
      if (typeof additionalProperties === "object" && Object.keys(additionalProperties).length === 0) {
        delete jsonSchema.additionalProperties;
      }
    },
  });
  return schema as JsonObject;
}
