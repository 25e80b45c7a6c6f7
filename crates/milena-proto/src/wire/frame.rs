//! Request and response headers, and which version of them an API's version uses.
