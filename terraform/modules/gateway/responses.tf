# What API Gateway answers by itself, in the form in which the function answers: a caller has one
# kind of error to read (RFC 9457).
locals {
  _refusals = {
    ACCESS_DENIED           = [403, "this address or caller may not call the API"]
    API_CONFIGURATION_ERROR = [500, "the API is misconfigured: its logs hold the request id"]
    BAD_REQUEST_BODY        = [400, "the body does not have the form that the API describes"]
    BAD_REQUEST_PARAMETERS  = [400, "a parameter is missing or wrong"]
    EXPIRED_TOKEN           = [403, "the signature is too old: sign again"]
    INTEGRATION_FAILURE     = [502, "the function gave no usable answer"]
    INTEGRATION_TIMEOUT     = [504, "the function did not answer in time"]
    INVALID_API_KEY         = [403, "a valid API key is needed in the header x-api-key"]
    INVALID_SIGNATURE       = [403, "the signature is wrong"]
    MISSING_AUTHENTICATION_TOKEN = (local.needs_iam ?
      [403, "the request is not signed, or there is nothing here"] :
      [404, "there is nothing at this path"]
    )
    QUOTA_EXCEEDED         = [429, "this key's requests of the day are used up"]
    REQUEST_TOO_LARGE      = [413, "the body has more than 10 MB"]
    RESOURCE_NOT_FOUND     = [404, "there is nothing at this path"]
    THROTTLED              = [429, "too many requests: slow down"]
    UNAUTHORIZED           = [401, "the request says not who sends it"]
    UNSUPPORTED_MEDIA_TYPE = [415, "this content type is not taken"]
    WAF_FILTERED           = [403, "the firewall refuses this request"]
  }
  # What has no line above keeps its status.
  _others = {
    DEFAULT_4XX = "the API refuses this request"
    DEFAULT_5XX = "the API failed: its logs hold the request id"
  }
  _headers = {
    "gatewayresponse.header.Content-Type" = "'application/problem+json'"
    "gatewayresponse.header.X-Request-Id" = "context.requestId"
  }
  _titles = {
    400 = "Bad Request", 401 = "Unauthorized", 403 = "Forbidden", 404 = "Not Found"
    413 = "Request Entity Too Large", 415 = "Unsupported Media Type", 429 = "Too Many Requests"
    500 = "Internal Server Error", 502 = "Bad Gateway", 504 = "Gateway Timeout"
  }

  gateway_responses = merge({
    for kind, refusal in local._refusals : kind => {
      statusCode         = refusal[0]
      responseParameters = local._headers
      responseTemplates = {
        "application/json" = jsonencode({
          type       = "about:blank"
          title      = local._titles[refusal[0]]
          status     = tonumber(refusal[0])
          detail     = refusal[1]
          request_id = "$context.requestId"
        })
      }
    }
    }, {
    for kind, detail in local._others : kind => {
      responseParameters = local._headers
      responseTemplates = {
        "application/json" = jsonencode({
          type       = "about:blank"
          detail     = detail
          request_id = "$context.requestId"
        })
      }
    }
  })
}
