package Local::Greeting;
use strict;
use Exporter 'import';
our @EXPORT_OK = ('greet');

sub greet { return "Hello, $_[0], in " . (caller)[0] }

1;
