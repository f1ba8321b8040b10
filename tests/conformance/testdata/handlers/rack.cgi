#!/usr/bin/ruby
# Says what a Rack application is told, with Rack::Lint between it and Rack's CGI
# handler: what Lint dislikes is raised, so there is no answer.
require 'uri' # which Lint needs, and does not ask for
require 'rack'
require 'rack/handler/cgi'
require 'rack/lint'

application = lambda do |env|
  names = %w[REQUEST_METHOD SCRIPT_NAME PATH_INFO QUERY_STRING CONTENT_TYPE CONTENT_LENGTH
             SERVER_PROTOCOL SERVER_NAME HTTP_X_WORD HTTP_COOKIE rack.url_scheme rack.run_once]
  lines = names.map { |name| "#{name}=#{env[name].inspect}" }
  lines << env['rack.input'].read.inspect
  env['rack.errors'].puts("an application's word")
  [203, { 'Content-Type' => 'text/plain', 'X-Two' => "1\n2" }, [lines.join("\n"), "\n"]]
end

Rack::Handler::CGI.run(Rack::Lint.new(application))
