// A file, since the Content-Security-Policy takes no inline script. Paths are relative to it,
// so that they hold under a path prefix.
"use strict";

SwaggerUIBundle({
  url: new URL("../openapi.json", document.currentScript.src).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  // Else it asks a third party whether the document is valid.
  validatorUrl: null,
});
