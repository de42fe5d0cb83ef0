import * as z from "zod";
import type { JsonObject } from "../base/json.ts";

/**
 * `input` as the plain JSON Schema that strict clients take: nothing by reference, nothing that says nothing. Every
 * window pays for every character, so the limits on the length of texts are left to the message of who exceeds them.
 */
export function publishSchema(input: z.ZodObject): JsonObject {
  const { $schema: _, ...schema } = z.toJSONSchema(input, {
    io: "input",
    reused: "inline",
    unrepresentable: "throw",
    override: ({ jsonSchema }) => {
      // zod bounds every integer by what a double holds, and says "anything" of further fields.
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      delete jsonSchema.minLength;
      delete jsonSchema.maxLength;
      const further = jsonSchema.additionalProperties;
      if (typeof further === "object" && Object.keys(further).length === 0) {
        delete jsonSchema.additionalProperties;
      }
    },
  });
  return schema as JsonObject;
}
