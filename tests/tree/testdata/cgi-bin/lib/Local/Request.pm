package Local::Request;
our $query = $ENV{QUERY_STRING};
1;
