# The OpenAPI file says what callers see. What only API Gateway needs is added here, so that the
# local gateway, the docs and the tests can read the file as it is.
locals {
  _source  = yamldecode(file(var.openapi_file))
  _methods = ["delete", "get", "head", "options", "patch", "post", "put"]

  _security = concat(
    [for _ in range(local.needs_key ? 1 : 0) : { api_key = [] }],
    [for _ in range(local.needs_iam ? 1 : 0) : { sigv4 = [] }],
  )

  _addition = {
    x-amazon-apigateway-request-validator = "all"
    x-amazon-apigateway-integration = {
      type                = "aws_proxy"
      httpMethod          = "POST" # Lambda's own method, whatever the operation's
      uri                 = var.function.invoke_arn
      passthroughBehavior = "when_no_match"
      timeoutInMillis     = 29000
    }
  }

  # Only JSON bodies keep their schema: against one the validator would hold a picture too, and
  # it lets pass what has none.
  _operations = {
    for path, item in local._source.paths : path => {
      for method, operation in item : method => merge(operation, local._addition, {
        # A browser asks first, with neither key nor signature, whether a page may call.
        security = [for scheme in local._security : scheme if method != "options"]
        }, {
        for key, body in operation : key => merge(body, {
          content = { for type, media in body.content : type => media if endswith(type, "json") }
        }) if key == "requestBody"
      }) if contains(local._methods, method)
    }
  }

  body = jsonencode(merge(local._source, {
    paths = {
      for path, item in local._source.paths : path => merge(item, local._operations[path])
    }
    components = merge(local._source.components, {
      securitySchemes = {
        api_key = { type = "apiKey", name = "x-api-key", in = "header" }
        sigv4 = {
          type = "apiKey", name = "Authorization", in = "header"

          x-amazon-apigateway-authtype = "awsSigv4"
        }
      }
    })
    x-amazon-apigateway-gateway-responses = local.gateway_responses
    x-amazon-apigateway-request-validators = {
      all = { validateRequestBody = true, validateRequestParameters = true }
    }
  }))
}
