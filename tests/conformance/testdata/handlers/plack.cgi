#!/usr/bin/perl
# Answers the tests of Plack::Test::Suite, with Plack's Lint between it and the
# handler, as Plack's own server tests have it.
use strict;
use warnings;
use Plack::Handler::CGI;
use Plack::Middleware::Lint;
use Plack::Test::Suite;

Plack::Handler::CGI->new->run(Plack::Middleware::Lint->wrap(Plack::Test::Suite->test_app_handler));
