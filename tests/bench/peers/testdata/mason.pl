#!/usr/bin/perl
# The handler as HTML::Mason's manual has it, for all components of a folder.
use strict;
use warnings;
use HTML::Mason::CGIHandler;

my $handler = HTML::Mason::CGIHandler->new(
    comp_root => '@FOLDER@/mason',
    data_dir  => '@FOLDER@/data',
);
#warm $handler->interp->load('/squares.html') or die 'no component';

#### Once above, for each request below.
$handler->handle_request;
